"""What every room of revenue stands on: records, settings, frames, periods, rates."""

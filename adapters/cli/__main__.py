"""`python -m adapters.cli` is `tieout`."""

from adapters.cli import main

if __name__ == "__main__":
    main()

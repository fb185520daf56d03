"""What the pages show, as plain functions: they read results lazily and know no screen."""

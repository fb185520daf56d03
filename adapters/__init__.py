"""Everything that touches the outside: files, mappings, the store, the command line."""

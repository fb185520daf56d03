"""The kinds of policy files, one module each; `registry.py` gathers them."""

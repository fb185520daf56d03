"""What several pages show alike: the frame of a page, the browsing table, charts."""

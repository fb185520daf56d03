"""Policy files: read with exact positions, checked, dated and fingerprinted."""

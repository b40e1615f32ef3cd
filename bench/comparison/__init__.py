"""Parts of the scripts of bench/ that start servers and compare them: one file a concern."""

"""Files of masks: PNG, the table from its values to labels, the manifest of a corrupted data set."""

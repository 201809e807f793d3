"""Variables, functions, groups and targets of HCL and JSON files, and what names in them mean."""

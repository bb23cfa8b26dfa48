"""What is said to people, found in the source, and the catalogues kept in step with it."""

"""What is well, what is not, and how to mend it."""

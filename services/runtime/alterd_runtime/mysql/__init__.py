"""All access to MySQL outside the strategies. Import from the modules: each holds one noun."""

"""Networks that no installed library has, with the names that their published weights go by."""

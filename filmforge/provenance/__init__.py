"""What a file says about its own making: content credentials (C2PA), signed last, and credits."""

"""Providers make images, clips and voices; one file each, none knows another."""

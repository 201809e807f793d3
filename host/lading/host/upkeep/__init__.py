"""What the machine holds: seen, freed, unpacked anew."""

"""What images are made of: compared, built again, traced to where their files come from."""

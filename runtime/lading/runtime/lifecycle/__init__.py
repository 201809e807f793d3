"""How containers and sandboxes end, whatever ended them."""

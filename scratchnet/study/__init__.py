"""What looks at a network from outside and changes nothing in it."""

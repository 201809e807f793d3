"""Under what the steps of a build are executed, and how an ordinary user comes to be root somewhere."""

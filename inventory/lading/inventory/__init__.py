"""What packages a tree contains and how their versions compare."""

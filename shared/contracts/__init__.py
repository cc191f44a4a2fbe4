"""What crosses a boundary between two parts of Parley: values only, standard library only, no I/O."""

"""The model folders of others: for each known architecture, its `config.json` and the names of its tensors.

A module for each family of them, with the same face:

- `read(fields)`: the shape that a `config.json` tells, strictly;
- `written(spec)`: the fields that tell a shape, or None where this architecture cannot have it;
- `stored(spec, names)`: which tensor of the file holds which of our parameters;
- `standard(name)`: the name that `stored` has for a tensor, which files of other ages and classes call otherwise; None
  for what is no parameter (a mask, a table of positions).
"""

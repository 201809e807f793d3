"""How things are shown: lines, tables, rows that move."""

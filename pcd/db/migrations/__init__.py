"""The numbered SQL files that make the tables which are not generated from declarations."""

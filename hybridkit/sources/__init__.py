"""One module a data set: where its files are, how they read, licence, citation."""

"""Keep a vector beside every task: after the commit, in batches, whoever wrote it."""

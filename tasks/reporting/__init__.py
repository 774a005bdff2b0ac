"""What people read: pages, sentences, figures, and the tables of a paper. Nothing here changes a result."""

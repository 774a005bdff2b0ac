"""Pages, sentences, figures and a paper's tables, from the stages' files. Nothing here changes a result."""

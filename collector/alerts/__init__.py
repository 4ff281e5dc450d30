"""Tell me when: what people asked to be told of, decided after each report, and told by webhook and e-mail."""

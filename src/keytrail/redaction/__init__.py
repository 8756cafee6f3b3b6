"""One redactor by name and by value, for spans, logs and everything else that leaves."""

"""Where keys leak: canaries in every place, looked for in all that would be exported."""

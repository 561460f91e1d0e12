"""The subcommands, one module each: options in, one call, text out."""

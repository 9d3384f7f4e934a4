"""The contract's object types, a module per noun; each wraps the record it shows."""

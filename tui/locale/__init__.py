"""Message catalogues: one gettext .po file a language; English is the msgid itself."""

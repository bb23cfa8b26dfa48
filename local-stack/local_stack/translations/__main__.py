"""`scripts/translations`: bring every catalogue in step with the source, and say what is left to translate."""

import sys

from local_stack.translations.catalogues import update_all

if __name__ == "__main__":
    missing = update_all()
    for language, sentences in missing.items():
        for sentence in sentences:
            print(f"{language}: {sentence[0]}")
    sys.exit(1 if any(missing.values()) else 0)

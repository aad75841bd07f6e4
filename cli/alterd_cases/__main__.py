"""``python -m alterd_cases``"""

from alterd_cases.main import main

if __name__ == "__main__":
    main()

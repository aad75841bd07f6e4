"""``python -m alterd_cli``"""

from alterd_cli.main import main

if __name__ == "__main__":
    main()

"""webstat's page: `python app.py [--config webstat.toml]`, or `uvicorn --factory app:server`."""

from webstat.serve import main, server

__all__ = ["server"]

if __name__ == "__main__":
    raise SystemExit(main())

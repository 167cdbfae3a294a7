"""`uvicorn main:app` serves the API from a checkout; the code is in `nexus.main`."""

from nexus.main import app as app

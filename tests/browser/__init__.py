"""Pages in a browser. A package, so that the shared browser and its event loop end with these tests."""

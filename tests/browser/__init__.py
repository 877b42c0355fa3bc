"""Pages in a browser. A package, so that what its fixtures share, browser and event loop, ends with its tests."""

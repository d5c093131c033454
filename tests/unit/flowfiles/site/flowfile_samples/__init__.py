"""An installed distribution with operations and listeners, for tests of flow files."""

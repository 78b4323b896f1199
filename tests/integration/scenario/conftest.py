"""Scenes to play scenarios on."""

import pytest
from tests.integration.scenario.scene import Scene


@pytest.fixture
async def scene_at(tmp_path):
    """Give a function that sets up the scene at a moment; it is cleared away after the test."""
    scenes = []

    def make(now):
        scenes.append(Scene(tmp_path, now))
        return scenes[-1]

    yield make
    for scene in scenes:
        await scene.close()

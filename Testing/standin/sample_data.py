"""``SampleData``: sources are registered and loaded; nothing is downloaded."""

from __future__ import annotations

from typing import Any
from urllib.request import url2pathname

import slicer


class SampleDataSource:
    """What was registered. As in Slicer, addresses, file names and node names are needed, one each a file."""

    def __init__(self, uris: Any, fileNames: Any, nodeNames: Any, checksums: Any = None, **words: Any) -> None:
        checksums = [None] * len(uris) if checksums is None else checksums
        if not len(uris) == len(fileNames) == len(nodeNames) == len(checksums):
            raise ValueError("All fields of sample data source must have the same length")
        vars(self).update(words, uris=uris, fileNames=fileNames, nodeNames=nodeNames, checksums=checksums)


class SampleDataLogic:
    """Registration and loading by name."""

    @staticmethod
    def registerCustomSampleDataCategory(category: str, title: str) -> None:
        titles = slicer.modules.__dict__.setdefault("sampleDataSourceCategories", {})
        titles.setdefault(category, {})["title"] = title

    @staticmethod
    def registerCustomSampleDataSource(
        category: str = "Custom",
        sampleName: str | None = None,
        uris: Any = None,
        fileNames: Any = None,
        nodeNames: Any = None,
        customDownloader: Any = None,
        thumbnailFileName: str | None = None,
        loadFileTypes: Any = None,
        loadFiles: Any = None,
        loadFileProperties: Any = None,
        checksums: Any = None,
    ) -> None:
        source = SampleDataSource(
            sampleName=sampleName, uris=uris, fileNames=fileNames, nodeNames=nodeNames, customDownloader=customDownloader,
            thumbnailFileName=thumbnailFileName, loadFiles=loadFiles, loadFileTypes=loadFileTypes, checksums=checksums,
        )  # fmt: skip
        slicer.modules.sampleDataSources.setdefault(category, []).append(source)

    def sourceForSampleName(self, sampleName: str) -> Any:
        for sources in slicer.modules.sampleDataSources.values():
            for source in sources:
                if source.sampleName == sampleName:
                    return source
        return None

    def downloadFromSource(self, source: Any) -> Any:
        """As in Slicer: the files are loaded by their kinds; only a click on the picture calls the custom downloader."""
        loaders = {"VolumeFile": slicer.util.loadVolume, "SegmentationFile": slicer.util.loadSegmentation}
        made = []
        for uri, name, kind in zip(source.uris, source.nodeNames, source.loadFileTypes, strict=True):
            if not uri.startswith("file://"):
                raise AssertionError("nothing is downloaded here")
            made.append(loaders[kind](url2pathname(uri.removeprefix("file://")), {"name": name}))
        return made


def downloadSamples(sampleName: str) -> Any:
    """All nodes of a sample, by its name."""
    logic = SampleDataLogic()
    return logic.downloadFromSource(logic.sourceForSampleName(sampleName))


def downloadSample(sampleName: str) -> Any:
    """The first node of a sample."""
    return downloadSamples(sampleName)[0]

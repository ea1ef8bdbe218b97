"""What is shown and kept of an Assessment: the HTML page now; DICOM and PDF objects stand beside it."""

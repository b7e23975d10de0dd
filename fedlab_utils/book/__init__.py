"""What makes the package a book: figures, apps, exercises, the reader's own copies."""

"""The same work in other libraries, each as its own users would write it for speed."""

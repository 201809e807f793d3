"""What everything else stands on: digests, documents, blobs, references, archives, trees and snapshots."""

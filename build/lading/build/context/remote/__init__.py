"""What a build fetches from elsewhere: files by URL, commits of git repositories."""

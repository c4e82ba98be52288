"""What every process of ours does alike: log lines, who may ask its web server, open files."""

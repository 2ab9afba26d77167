"""What a checkout needs beside the program itself."""

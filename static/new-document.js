// Loads the page that follows a decision as a document of its own, if a library swapped it into the document of another
// page: there, the code of a withdrawn service would run on. The parser runs this script before the document is complete.
if (document.readyState === "complete") location.reload();

"""The dashboard: a page on loopback, made from the state folder, so that it shows proxies that anybody started.

app     the routes
guard   who may ask: this machine's user, from this page
views   what the page shows, as JSON
static  the page itself: HTML, CSS and JavaScript as they are written, nothing from elsewhere
"""
